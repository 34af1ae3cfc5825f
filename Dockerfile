# The workflow with its CPU toolchains:
#   docker build --tag crnn-dynamic .
#   docker run --rm --volume "$PWD:/work" --user "$(id -u):$(id -g)" crnn-dynamic
# writes results/ and logs/ into the working directory. docs/environments.md has the rest, with how to pin the base
# image by digest.

ARG BASE=python:3.11.15-slim-bookworm

# --- packages ----------------------------------------------------------------
FROM ${BASE} AS packages

# The package index has PyTorch with CUDA, of several gigabytes; this one has it for the CPU. Empty: the former.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        --requirement requirements.lock

# --- the image ---------------------------------------------------------------
FROM ${BASE}

COPY --from=packages /opt/venv /opt/venv
COPY Snakefile /opt/crnn-dynamic/
COPY rules /opt/crnn-dynamic/rules/
COPY workflow /opt/crnn-dynamic/workflow/
COPY config /opt/crnn-dynamic/config/
COPY envs /opt/crnn-dynamic/envs/
COPY profiles /opt/crnn-dynamic/profiles/
COPY resources /opt/crnn-dynamic/resources/

# Any user may run it, also one that the image does not know, without a home: Snakemake asks for the user's name,
# which is USER then, and keeps its caches in /tmp.
RUN useradd --uid 1000 crnn && install --directory --owner crnn --group crnn /work
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    USER=crnn \
    XDG_CACHE_HOME=/tmp/cache
USER 1000:1000
WORKDIR /work
VOLUME /work

# Words behind the image's name replace the command: … crnn-dynamic --cores 2 report --configfile mine.yaml
ENTRYPOINT ["snakemake", "--snakefile", "/opt/crnn-dynamic/Snakefile"]
CMD ["--cores", "all", "report"]
