def open_model(folder, facts):
    """3. The model on ONNX Runtime: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the file is optimised
    file, provider = folder / facts["model_file"], facts["runtime"]["session"]["provider"]
    session = onnxruntime.InferenceSession(file, settings, providers=[provider])
    return lambda images: session.run(None, {facts["input"]["name"]: images})[0]
