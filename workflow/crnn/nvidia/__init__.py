"""What the TensorRT target consists of: settings, profiles, trtexec's command line, the library, the GPU, the session.

`crnn.targets.tensorrt` puts them together. Only `library` imports TensorRT, only `pycuda_device` pycuda, and only
`cudart_device` cuda-python. A variable that holds an object of TensorRT's is named after its class: `builder`,
`config`, `network`, `parser`, `profile`, `cache`, `runtime`, `engine`, `context`; `trt` is the module itself. By these
names tests/contract/test_tensorrt_names.py holds every attribute that is used against what TensorRT 10 and 11 have.
"""
