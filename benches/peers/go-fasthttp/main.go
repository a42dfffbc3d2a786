// fasthttp on one processor.
package main

import (
	"encoding/json"
	"os"
	"runtime"

	"github.com/valyala/fasthttp"
)

type message struct {
	Message string `json:"message"`
}

func handle(ctx *fasthttp.RequestCtx) {
	switch string(ctx.Path()) {
	case "/plaintext":
		ctx.SetContentType("text/plain")
		ctx.SetBodyString("Hello, World!")
	case "/json":
		ctx.SetContentType("application/json")
		text, _ := json.Marshal(message{"Hello, World!"})
		ctx.SetBody(text)
	default:
		ctx.Error("", fasthttp.StatusNotFound)
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	server := &fasthttp.Server{Handler: handle, Name: "fas"}
	panic(server.ListenAndServe("127.0.0.1:" + os.Args[1]))
}
