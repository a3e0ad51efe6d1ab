"""LitServe (PyPI's litserve), a process for each worker."""

import sys

import litserve
from fastapi import Request, Response
from sleeping import parse

seconds, jobs, port = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


class Sleeping(litserve.LitAPI):
    def setup(self, device: str) -> None:
        pass

    def decode_request(self, request: Request) -> bytes:
        return request["content"].file.read()

    def predict(self, photo: bytes) -> tuple[bytes, str]:
        return parse(photo, seconds)

    def encode_response(self, result: tuple[bytes, str]) -> Response:
        return Response(result[0], media_type="image/png", headers={"Server-Timing": result[1]})


if __name__ == "__main__":
    api = Sleeping(api_path="/v1/parse")
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=jobs, timeout=30, healthcheck_path="/livez"
    )
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False)
