"""LitServe (PyPI's litserve), a process for each worker."""

import sys
import time

import litserve
from fastapi import Request, Response

seconds, jobs, port = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


class Sleeping(litserve.LitAPI):
    def setup(self, device: str) -> None:
        pass

    async def decode_request(self, request: Request) -> int:
        return 0

    def predict(self, photo: int) -> int:
        time.sleep(seconds)
        return photo

    def encode_response(self, result: int) -> Response:
        return Response(b"map", media_type="image/png")


if __name__ == "__main__":
    api = Sleeping(api_path="/v1/parse")
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=jobs, timeout=30, healthcheck_path="/livez"
    )
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False)
