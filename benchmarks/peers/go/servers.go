// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const (
	echoBuffer = 4096
	hello      = "hello, world\n"
)

func address() string { return fmt.Sprintf("127.0.0.1:%d", *port) }

func fail(err error) {
	fmt.Fprintln(os.Stderr, "gobench:", err)
	os.Exit(1)
}

var turns [64]struct {
	n uint64
	_ [56]byte
}

// startHogs starts the goroutines that compute for ever.
func startHogs() {
	for i := 0; i < *hogs && i < len(turns); i++ {
		go func(n *uint64) {
			for {
				*n++
			}
		}(&turns[i].n)
	}
}

// serveEcho sends back whatever one read got, a goroutine per connection.
func serveEcho() {
	listener, err := net.Listen("tcp", address())
	if err != nil {
		fail(err)
	}
	startHogs()
	for {
		conn, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go func() {
			defer conn.Close()
			buffer := make([]byte, echoBuffer)
			for {
				n, err := conn.Read(buffer)
				if err != nil {
					return
				}
				if _, err := conn.Write(buffer[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// serveHTTP answers every request with the same text; net/http adds Date and parses in full.
func serveHTTP() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, hello)
	})
	startHogs()
	fail(http.ListenAndServe(address(), nil))
}
