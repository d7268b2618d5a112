package main

// outside gives the form of an address that the Internet knows.
func outside(addr string) (string, error) { return addr, nil }
