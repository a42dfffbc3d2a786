// Bun.serve in one process, with a handler rather than constant answers.
Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request) {
    const path = request.url.slice(request.url.indexOf("/", 8));
    if (path === "/plaintext") {
      return new Response("Hello, World!", {
        headers: { Server: "bun", "Content-Type": "text/plain" },
      });
    }
    if (path === "/json") {
      return Response.json({ message: "Hello, World!" }, { headers: { Server: "bun" } });
    }
    return new Response(null, { status: 404 });
  },
});
