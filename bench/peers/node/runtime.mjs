// A Lambda runtime in a few lines: the Runtime API over one kept-alive connection. Lambda's own client for Node.js has
// to be compiled; this one does less, which is in the peer's favour.

import { Agent, request } from "node:http";
import { handle } from "./handler.mjs";

const api = process.env.AWS_LAMBDA_RUNTIME_API;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body = "") {
  return new Promise((resolve, reject) => {
    const [hostname, port] = api.split(":");
    const headers = { "content-length": Buffer.byteLength(body) };
    const sent = request({ agent, hostname, port, method, path, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const root = "/2018-06-01/runtime/invocation";
for (;;) {
  const next = await call("GET", `${root}/next`);
  const id = next.headers["lambda-runtime-aws-request-id"];
  const deadline = Number(next.headers["lambda-runtime-deadline-ms"]);
  const context = { awsRequestId: id, getRemainingTimeInMillis: () => deadline - Date.now() };
  try {
    await call("POST", `${root}/${id}/response`, JSON.stringify(await handle(JSON.parse(next.body), context)));
  } catch (error) {
    await call("POST", `${root}/${id}/error`, JSON.stringify({ errorMessage: String(error?.stack ?? error) }));
  }
}
