// Go's net/http on one processor.
package main

import (
	"encoding/json"
	"net/http"
	"os"
	"runtime"
)

type message struct {
	Message string `json:"message"`
}

func main() {
	runtime.GOMAXPROCS(1)
	body := []byte("Hello, World!")
	http.HandleFunc("/plaintext", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "go1")
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})
	http.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "go1")
		w.Header().Set("Content-Type", "application/json")
		text, _ := json.Marshal(message{"Hello, World!"})
		w.Write(text)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
