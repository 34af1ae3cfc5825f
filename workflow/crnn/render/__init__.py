"""Rendered scene-text words, the same for the sample dataset and for training.

text → lettering → surroundings → seen from the side → scene → through a camera: one module per step (`lexicon`,
`fonts` with `probe`, `glyphs` with `typecase` and `paths`, `surroundings`, `geometry`, `scene` with `grounds`,
`effects`, `obstacles` and `light`, `camera`), each a function of a random generator and the previous step's result;
`legibility` rejects what nobody could read; `sample` puts them together. Masks are float32 [H, W] ink coverage in
0 … 1, images float32 [H, W] gray levels in 0 … 255 until they are encoded. Each module states its chances at its top.

Not here: writing a dataset (`crnn.words`), resizing to the network's input (`crnn.tensors`).
"""
