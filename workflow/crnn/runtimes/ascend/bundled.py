def open_model(folder, facts):
    """3. The .om on an NPU: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    from ais_bench.infer.interface import InferSession

    session, shapes = InferSession(0, str(folder / facts["model_file"])), facts["runtime"]["build"]["shapes"]
    alone = shapes["mode"] == "gears" and len(shapes["widths"]) == 1
    mode = "dymbatch" if alone else {"range": "dymshape", "gears": "dymdims", "static": "static"}[shapes["mode"]]
    classes = len(facts["output"]["charset"]) + 1

    def infer(images):
        words, width = images.shape[0], images.shape[3]
        gears = [batch for batch, at in shapes.get("listed", []) if at == width] or shapes["batches"]
        size = max(words, gears[0]) if shapes["mode"] == "range" else min(b for b in gears if b >= words)
        filled = np.concatenate([images, np.zeros((size - words, *images.shape[1:]), np.float32)])
        if alone:
            session.set_dynamic_batchsize(size)
        room = (width + 1) * size * classes * 4  # bytes; never more time steps than columns
        (output,) = session.infer([filled], mode, custom_sizes=room)
        return np.asarray(output, np.float32).reshape(-1, size, classes)[:, :words]

    return infer
