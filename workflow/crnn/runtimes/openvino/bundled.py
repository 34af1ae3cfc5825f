def open_model(folder, facts):
    """3. The model on OpenVINO: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": facts["runtime"]["session"]["inference_precision"]}
    model = openvino.Core().compile_model(folder / facts["model_file"], "CPU", settings)
    return lambda images: model({0: images})[0]
