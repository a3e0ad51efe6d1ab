"""ModelScope, ONNX Runtime and OpenVINO: what m2fp is compared with."""
