def open_model(folder, facts):
    """3. The engine on TensorRT: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    import pycuda.driver as cuda
    import tensorrt as trt

    cuda.init()
    cuda.Device(0).retain_primary_context().push()
    engine = (folder / facts["model_file"]).read_bytes()
    engine = trt.Runtime(trt.Logger(trt.Logger.WARNING)).deserialize_cuda_engine(engine)
    context, stream = engine.create_execution_context(), cuda.Stream()
    given, taken = (engine.get_tensor_name(place) for place in (0, 1))

    def infer(images):
        for place, profile in enumerate(facts["runtime"]["build"]["profiles"]):
            if profile["low"] <= images.shape[3] <= profile["high"]:
                context.set_optimization_profile_async(place, stream.handle)
        context.set_input_shape(given, images.shape)
        output = np.empty(tuple(context.get_tensor_shape(taken)), np.float32)
        memory = {given: cuda.mem_alloc(images.nbytes), taken: cuda.mem_alloc(output.nbytes)}
        for name, block in memory.items():
            context.set_tensor_address(name, int(block))
        cuda.memcpy_htod_async(memory[given], images, stream)
        context.execute_async_v3(stream.handle)
        cuda.memcpy_dtoh_async(output, memory[taken], stream)
        stream.synchronize()
        return output

    return infer
