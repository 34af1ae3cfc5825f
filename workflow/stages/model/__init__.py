"""Checkpoints, ONNX files, builds."""
