/** The limit: reads a request, checks its HMAC in constant time, answers. Stores nothing. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const secret = process.argv[2] ?? "";
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const digest = createHmac("sha256", secret).update(Buffer.concat(chunks)).digest();
    const sent = Buffer.from(String(request.headers["x-hub-signature-256"]).slice("sha256=".length), "hex");
    const valid = sent.length === digest.length && timingSafeEqual(sent, digest);
    const answer = JSON.stringify({ status: valid ? "accepted" : "refused" });
    response.writeHead(valid ? 200 : 401, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(answer),
    });
    response.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(String((server.address() as AddressInfo).port)));
process.on("SIGTERM", () => process.exit(0));
