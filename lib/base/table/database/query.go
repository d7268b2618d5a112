// Package database has what the table types of SQL servers have in common: how a
// query is made of the parameters, and a list of servers of which one answers.
package database

import (
	"postrider/lib/base/table/settings"
	"postrider/lib/base/table/template"
)

// A Query is what a table asks.
type Query struct {
	*template.Form
	text string
}

// NewQuery reads the parameter query, or those that were there before it, and those
// of the answer.
func NewQuery(s *settings.Settings) *Query {
	q := &Query{Form: template.New(s), text: s.Text("query", "")}
	function, field := s.Text("select_function", ""), s.Text("select_field", "")
	from, where, more := s.Text("table", ""), s.Text("where_field", ""), s.Text("additional_conditions", "")
	switch {
	case q.text != "":
	case function != "":
		q.text = "SELECT " + function + "('%s')"
	case field != "" && from != "" && where != "":
		q.text = "SELECT " + field + " FROM " + from + " WHERE " + where + "='%s' " + more
	default:
		s.Bad("need a value of query")
	}
	if err := template.Check("query", q.text); err != nil {
		s.Bad("%v", err)
	}
	return q
}

// For returns the query for a key. Ok is false when it is not to be asked.
func (q *Query) For(key string, quote func(string) string) (text string, ok bool, err error) {
	if ok, err := q.Wanted(key); !ok {
		return "", false, err
	}
	text, ok = template.Expand(q.text, key, key, quote)
	return text, ok, nil
}
