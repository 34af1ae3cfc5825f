def open_model(folder, facts):
    """3. The model on ONNX Runtime: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the file is optimised
    providers = [facts["runtime"]["session"]["provider"]]
    session = onnxruntime.InferenceSession(str(folder / facts["model_file"]), settings, providers=providers)
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]
