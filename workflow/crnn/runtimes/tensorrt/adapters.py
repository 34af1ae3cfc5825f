"""Which Python package drives the GPU: pycuda, or cuda-python where there is no pycuda."""

from crnn.core.errors import UserError
from crnn.runtimes.tensorrt.cudart_device import CudartDevice
from crnn.runtimes.tensorrt.device import DeviceMemory, no_driver
from crnn.runtimes.tensorrt.pycuda_device import PycudaDevice


def open_device(index: int, graphs: bool = False) -> DeviceMemory:
    """The GPU with CUDA's number `index`, through pycuda, or through cuda-python where there is no pycuda.

    `graphs` asks for one whose work can be captured, which pycuda's cannot. Raises UserError that says what is missing.
    """
    absent = []
    for adapter in (CudartDevice,) if graphs else (PycudaDevice, CudartDevice):
        try:
            return adapter(index)
        except ModuleNotFoundError as error:
            absent.append(error.name)
        except ImportError as error:
            raise no_driver(str(error)) from error
    purpose = "options.cuda_graphs needs cuda-python: " if graphs else ""
    remedy = "install cuda-bindings" if graphs else "install pycuda, or cuda-bindings"
    raise UserError(
        f"runtime tensorrt: {purpose}the Python package {' or '.join(map(repr, absent))} is not installed here; "
        f"{remedy} (docs/nvidia.md)"
    )
