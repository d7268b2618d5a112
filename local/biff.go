package main

import (
	"strconv"
	"syscall"
)

// biffPort is where comsat(8) listens.
const biffPort = 512

// biff tells users who are logged in that new mail begins at an offset of
// their mailbox. Nobody need listen.
func biff(user string, offset int64) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer syscall.Close(fd)
	packet := user + "@" + strconv.FormatInt(offset, 10) + "\x00"
	syscall.Sendto(fd, []byte(packet), 0, &syscall.SockaddrInet4{Port: biffPort, Addr: [4]byte{127, 0, 0, 1}})
}
