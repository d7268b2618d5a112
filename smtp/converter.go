package main

type converter struct{ w *lineWriter }

func (t *transaction) converts() bool                       { return false }
func newConverter(t *transaction, w *lineWriter) *converter { return &converter{w} }
func (c *converter) line(data []byte, ended bool) error     { return c.w.write(data, ended) }
func (c *converter) finish() error                          { return nil }
