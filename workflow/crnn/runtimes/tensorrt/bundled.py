def open_model(folder, facts):
    """3. The engine on TensorRT: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    import atexit

    import pycuda.driver as cuda
    import tensorrt as trt

    cuda.init()
    cuda.Device(0).retain_primary_context().push()
    atexit.register(cuda.Context.pop)  # pycuda ends the process where a context is left
    runtime, built = trt.Runtime(trt.Logger()), facts["runtime"]["build"]
    runtime.engine_host_code_allowed = "VERSION_COMPATIBLE" in built["flags"]
    engine = runtime.deserialize_cuda_engine((folder / facts["model_file"]).read_bytes())
    if engine is None:
        sys.exit(f"the engine is for TensorRT {built['tensorrt']} on {built['gpu']['name']}; build it for this GPU")
    context, stream = engine.create_execution_context(), cuda.Stream()
    given, taken = (engine.get_tensor_name(place) for place in (0, 1))

    def infer(images):
        profile = next(n for n, each in enumerate(built["profiles"]) if each["low"] <= images.shape[3] <= each["high"])
        context.set_optimization_profile_async(profile, stream.handle)
        context.set_input_shape(given, images.shape)
        shape = tuple(context.get_tensor_shape(taken))
        sizes = {given: images.size, taken: int(np.prod(shape))}
        host = {name: cuda.pagelocked_empty(size, np.float32) for name, size in sizes.items()}
        memory = {name: cuda.mem_alloc(array.nbytes) for name, array in host.items()}
        for name, block in memory.items():
            context.set_tensor_address(name, int(block))
        host[given][:] = images.ravel()
        cuda.memcpy_htod_async(memory[given], host[given], stream)
        context.execute_async_v3(stream.handle)
        cuda.memcpy_dtoh_async(host[taken], memory[taken], stream)
        stream.synchronize()
        return host[taken].reshape(shape)

    return infer
