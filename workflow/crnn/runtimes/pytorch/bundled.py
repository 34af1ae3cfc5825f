def open_model(folder, facts):
    """3. The network in PyTorch: float32 [N, channels, height, W] to log-probabilities [T, N, classes]."""
    import torch
    from network import CRNN, NetworkSize
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(folder / facts["model_file"], framework="pt") as file:
        network = CRNN(NetworkSize.from_json(json.loads(file.metadata()["network"])))
    network.load_state_dict(load_file(folder / facts["model_file"]))
    device = {"torch": "cpu", "torch_cuda": "cuda", "torch_npu": "npu"}[facts["runtime"]["name"]]
    network.eval().to(device)
    return lambda images: network(torch.from_numpy(images).to(device)).detach().cpu().numpy()
