def open_model(folder, facts):
    """3. The model on ONNX Runtime: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the file is optimised
    provider, file = facts["runtime"]["session"]["provider"], str(folder / facts["model_file"])
    session = onnxruntime.InferenceSession(file, settings, providers=[provider])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]
