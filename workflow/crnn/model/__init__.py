"""The recogniser: network, checkpoint, ONNX export, surgery on the graph, precisions, charset."""
