"""ModelScope's server: FastAPI whose handler runs the model on the loop that answers everything."""

import sys
import time

import uvicorn
from fastapi import FastAPI, Request, Response

seconds, port = float(sys.argv[1]), int(sys.argv[3])
app = FastAPI()


@app.get("/livez")
async def livez() -> str:
    return "ok"


@app.post("/v1/parse")
async def parse(request: Request) -> Response:
    photo = await request.body()
    time.sleep(seconds)
    return Response(photo[:1000], media_type="image/png")


uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
