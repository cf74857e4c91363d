package main

// preface is the part of docs/strictness.md that no run changes.
const preface = `# Strictness

Made by ` + "`test/desync`" + `: do not edit, write it anew.

HTTP/1.1 says in several ways where a message ends. When two servers in a row read the same bytes in different ways, the rest
of one message becomes the beginning of another: a client's words are taken for the next client's request (smuggling), or an
answer goes to whoever asks next (desynchronisation). A proxy is safe when it passes on only what can be read in one way, and
refuses the rest. This page says what is tested, how, and what came of it, for opencache and beside it for nginx, HAProxy and
Go's ` + "`httputil.ReverseProxy`" + `.

## What is tested

The cases are files in ` + "`test/desync/testdata`" + `, one for each technique, written from RFC 9110, 9112 and 3986 and from what
was published on request smuggling (Linhart and others 2005; Kettle 2019 to 2025; the HTTP Garden; http-desync-guardian). A
case is raw bytes, the RFC section that decides it, and what must happen.

**Requests.** The bytes go to the proxy on a connection of their own. Behind them comes a probe, a plain request with a mark, if
the connection is still open; then another client's probe on another connection, which may travel on the same kept connection to
the origin; then another client's plain request for the target that the case used, which shows what a cache has stored. The
origin answers with what it understood: method, target, Host, size of the content. All bytes that reach it are cut into requests
by a parser written for this (` + "`grammar.go`" + `), which excuses nothing.

**Responses.** A client asks, and the origin sends the case's bytes. Then come the same probes, and the same request again, now to
an origin that answers in order: nothing of the case may be in any of these answers, and nothing that the client could not take
for whole may have been stored.

opencache is run in three ways, and the worst counts: as it is, with ` + "`--passthrough .`" + ` (nothing is cached), with
` + "`--preserve-host`" + ` (the origin sees the client's Host). The peers run with kept connections to the origin and pass the client's
Host on; the rest is as they come (` + "`peers.go`" + `).

` + "`make test`" + ` runs all cases on opencache, ` + "`make show-3-2`" + ` on all.

## To add a case

Add to the technique's file, or a new file:

    == NAME | RFC SECTION | WANT
    POST /$ID HTTP/1.1\r\n
    Host: desync.test\r\n
    ...

A line is bytes with Go's escapes; its own end does not count. ` + "`$ID`" + ` is a word of six bytes that no other case has,
` + "`$SMUGGLED`" + ` is a request of 52 bytes that must never be one. What can be wanted, and directives for segments, waiting, ends and
what the origin is to see, are listed at ` + "`testCase`" + ` in ` + "`corpus.go`" + `. Then

    go build -o bin/desync ./test/desync
    bin/desync -v -run TECHNIQUE/NAME

shows what each peer makes of it.

`

// howToRead says what the words of the tables mean.
const howToRead = `What the words mean, from best to worst:

| word | request | response |
| --- | --- | --- |
| refused | nothing whole reached the origin | the client got the proxy's own 5xx |
| cut | | the client got an answer that is visibly incomplete |
| safe | what reached the origin can be read in one way only | the client got the answer that the RFC reads there |
| ambiguous | bytes that are outside the grammar reached the origin, or it sees another host or target | bytes outside the grammar reached the client, or it took a wrong answer for whole, or the origin's connection was used again behind what nobody asked for |
| desync | content became a request, a request became content, or an answer went to another request | the next request got something of it, or it was stored |

A proxy that refuses is not better than one that forwards safely: some cases are plain HTTP that must pass, and each says so.
"Desync" and "ambiguous" are findings of this test, with this origin, which is strict; whether something follows from them
depends on the server behind. Where a peer reads the origin's bytes and the next request at the same time (net/http's
"surplus"), two runs may differ by a case or two; opencache's column does not, and ` + "`make show-3-2`" + ` fails when it is another.
`
