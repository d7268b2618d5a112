module postrider

go 1.26.0

require (
	github.com/google/renameio/v2 v2.0.2
	github.com/miekg/dns v1.1.73
	go.elara.ws/pcre v0.0.0-20230805032557-4ce849193f64
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
	golang.org/x/text v0.43.0
	modernc.org/libc v1.16.8
)

replace modernc.org/libc => ./lib/base/table/pcre/libc
