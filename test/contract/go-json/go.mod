module keyferry.dev/test/go-json

go 1.24
