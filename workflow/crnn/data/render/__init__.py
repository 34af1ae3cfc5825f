"""Rendered scene-text words, for the sample dataset and for training alike.

`fonts` lists faces and probes what they can show; `text` chooses a text and sets its letters; `scene` paints them with
surroundings, ground, light and effects; `camera` looks at them from the side, exposes, and rejects what nobody could
read. `sample` runs the steps in order. Each step is a function of a NumPy random generator and the previous result, and
its module states its chances in tables. Masks are float32 [H, W] ink coverage in 0 … 1, images float32 [H, W] gray
levels in 0 … 255 until they are encoded.
"""
