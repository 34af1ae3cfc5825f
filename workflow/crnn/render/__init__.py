"""Rendered scene-text words: text → glyph mask → bent and seen from the side → on a ground → through a camera.

One module per step (`lexicon`, `fonts`, `glyphs`, `geometry`, `scene`, `camera`), each a function of a NumPy random
generator and the previous step's result; `legibility` rejects what nobody could read; `sample` puts them together.
Masks are float32 [H, W] ink coverage in 0 … 1, images float32 [H, W] gray levels in 0 … 255 until they are encoded.

Not here: writing a dataset (`crnn.words`), resizing to the network's input (`crnn.tensors`).
"""
