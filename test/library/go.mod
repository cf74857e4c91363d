module opencache/test/library

go 1.26.0

require (
	github.com/bartventer/httpcache v0.9.0
	github.com/gregjones/httpcache v0.0.0-20190611155906-901d90724c79
	github.com/sandrolain/httpcache v1.4.0
	opencache v0.0.0
)

require (
	github.com/dchest/siphash v1.2.3 // indirect
	github.com/dunglas/httpsfv v1.1.2 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace opencache => ../..
