// Node's http in one process, with room for many requests on a connection.
"use strict";
const http = require("node:http");

const server = http.createServer({ keepAliveTimeout: 60000 }, (request, response) => {
  let type = "text/plain";
  let body = "Hello, World!";
  if (request.url === "/json") {
    type = "application/json";
    body = JSON.stringify({ message: body });
  } else if (request.url !== "/plaintext") {
    response.writeHead(404, { "Content-Length": 0 });
    response.end();
    return;
  }
  response.writeHead(200, { Server: "nod", "Content-Type": type, "Content-Length": body.length });
  response.end(body);
});
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
