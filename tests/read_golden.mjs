// Reads the golden words of a bundle as a program would whose author has its README.md and recogniser.json, and nothing
// else of this repository: node read_golden.mjs BUNDLE, in a folder with onnxruntime-node, pngjs and @techstark/opencv-js.
// Prints a JSON object per word: its file, text and confidence, and the SHA-256 of pixels and tensor.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));
const { InferenceSession, Tensor } = require("onnxruntime-node");
const { PNG } = require("pngjs");

const folder = process.argv[2];
const { images, widths, input, output, batch, model_file } = JSON.parse(readFileSync(join(folder, "recogniser.json")));

// 1. Decode: 8-bit pixels, in row order, channels last.
function decode(file) {
  const { width, height, data } = PNG.sync.read(readFileSync(file)); // red, green, blue, alpha
  const pixels = new Uint8Array(width * height * images.channels);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    if (images.channels === 3) pixels.set([blue, green, red], 3 * i);
    else pixels[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  }
  return { width, height, pixels };
}

// 2. Width: of the tensor, and of the word in it.
function sizeOf({ width, height }) {
  const ideal = ((width * images.height) / height) * widths.stretch;
  const wanted = Math.max(ideal, widths.pad ?? 0);
  const bucket = widths.upto.findIndex((limit) => limit >= wanted);
  const tensor = widths.tensor.at(bucket); // -1, the last, where there is none
  if (widths.pad === null) return { tensor, filled: tensor };
  return { tensor, filled: Math.min(Math.max(roundHalfToEven(ideal), 1), tensor) };
}

function roundHalfToEven(number) {
  const below = Math.floor(number);
  return number - below === 0.5 ? below + (below % 2) : Math.round(number);
}

// 3. Resize, pad and 4. normalise: float32 [channels, height, width].
function prepare(cv, image) {
  const { tensor, filled } = sizeOf(image);
  const kind = images.channels === 1 ? cv.CV_8UC1 : cv.CV_8UC3;
  const source = cv.matFromArray(image.height, image.width, kind, image.pixels);
  const resized = new cv.Mat();
  const area = images.interpolation === "opencv-area-cubic" && image.height > images.height;
  const method = area ? cv.INTER_AREA : cv.INTER_CUBIC;
  cv.resize(source, resized, new cv.Size(filled, images.height), 0, 0, method);
  const values = new Float32Array(images.channels * images.height * tensor);
  for (let c = 0, i = 0; c < images.channels; c++)
    for (let y = 0; y < images.height; y++)
      for (let x = 0; x < tensor; x++, i++) {
        const pixel = x < filled ? resized.data[(y * filled + x) * images.channels + c] : images.padding;
        values[i] = Math.fround(Math.fround(Math.fround(pixel / 255) - images.mean) / images.std);
      }
  source.delete();
  resized.delete();
  return { width: tensor, values };
}

// 6. Decode the classes of the n-th word of a call: [T, N, classes] to text and confidence.
function spell({ dims: [steps, words, classes], data }, n) {
  let [text, sum, before] = ["", 0, output.blank];
  for (let t = 0; t < steps; t++) {
    const row = data.subarray((t * words + n) * classes, (t * words + n + 1) * classes);
    let best = 0;
    for (let i = 1; i < classes; i++) if (row[i] > row[best]) best = i;
    if (best !== output.blank && best !== before) text += output.charset[best - 1];
    [sum, before] = [sum + row[best], best];
  }
  return { text, confidence: Math.exp(sum) };
}

const sha256 = (array) => createHash("sha256").update(new Uint8Array(array.buffer)).digest("hex");

const cv = require("@techstark/opencv-js");
if (!cv.Mat) await new Promise((resolve) => (cv.onRuntimeInitialized = () => resolve()));
const session = await InferenceSession.create(join(folder, model_file), { graphOptimizationLevel: "disabled" });
const buckets = new Map();
for (const { file } of JSON.parse(readFileSync(join(folder, "golden/words.json")))) {
  const image = decode(join(folder, "golden", file));
  const { width, values } = prepare(cv, image);
  if (!buckets.has(width)) buckets.set(width, []);
  buckets.get(width).push({ file, values, pixels_sha256: sha256(image.pixels), tensor_sha256: sha256(values) });
}
for (const [width, words] of buckets) {
  const most = typeof batch === "number" ? batch : batch[width];
  for (let start = 0; start < words.length; start += most) {
    const call = words.slice(start, start + most);
    const size = call[0].values.length;
    const data = new Float32Array(call.length * size);
    call.forEach(({ values }, n) => data.set(values, n * size));
    // 5. Infer.
    const given = new Tensor(input.type, data, [call.length, images.channels, images.height, width]);
    const steps = (await session.run({ [input.name]: given }))[output.name];
    call.forEach(({ values, ...word }, n) => console.log(JSON.stringify({ ...word, ...spell(steps, n) })));
  }
}
process.exit(0); // OpenCV's module keeps the process alive
