// Command pause is the first process of a pod's sandbox: it holds the namespaces, reaps orphans, and ends on a signal.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	died := make(chan os.Signal, 1) // one is enough: a reaper takes all
	signal.Notify(died, syscall.SIGCHLD)
	for {
		reap() // also those that died before anybody listened
		select {
		case <-ends:
			return
		case <-died:
		}
	}
}

func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return
		}
	}
}
