package store

import (
	"fmt"
	"testing"
)

const benchKeys = 4096

func benchVolume(b *testing.B) (m *Memory, keys [][]byte, hashes []Hash) {
	m = newTest(b, Options{Size: 64 << 20, MeanObject: 1 << 10})
	for i := range benchKeys {
		k := fmt.Sprintf("https://bench.example/a/path/that/is/about/eighty/bytes/long/for/object/number/%d", i)
		put(b, m, k, 1<<10)
		keys = append(keys, []byte(k))
		hashes = append(hashes, m.Hash([]byte(k)))
	}
	return m, keys, hashes
}

func BenchmarkHash(b *testing.B) {
	m, keys, _ := benchVolume(b)
	i := 0
	for b.Loop() {
		m.Hash(keys[i%benchKeys])
		i++
	}
}

func BenchmarkLookup(b *testing.B) {
	m, keys, hashes := benchVolume(b)
	var e Entry
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		k := i % benchKeys
		m.Lookup(hashes[k], keys[k], 0, &e)
		e.Release()
		i++
	}
}

func BenchmarkLookupParallel(b *testing.B) {
	m, keys, hashes := benchVolume(b)
	b.RunParallel(func(pb *testing.PB) {
		var e Entry
		for i := 0; pb.Next(); i++ {
			k := i % benchKeys
			m.Lookup(hashes[k], keys[k], 0, &e)
			e.Release()
		}
	})
}

func BenchmarkPut(b *testing.B) {
	m := newTest(b, Options{Size: 64 << 20, MeanObject: 1 << 10})
	body := [][]byte{make([]byte, 1<<10)}
	key := make([]byte, 80)
	b.ReportAllocs()
	b.SetBytes(1 << 10)
	i := 0
	for b.Loop() {
		key = fmt.Appendf(key[:0], "https://bench.example/%d", i)
		r := Record{Hash: m.Hash(key), Key: key, Version: 1, Body: body, Size: 1 << 10}
		if err := m.Put(&r); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
