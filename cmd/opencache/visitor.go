package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"opencache/internal/config"
	"opencache/internal/kvs"
)

// visitorFile is where a state folder keeps the key of visitors' ids.
const visitorFile = "visitor.key"

// visitorKey returns what ids of visitors are made with: the document's
// secret, else what the state folder keeps, else one that this process alone
// has, which the log tells.
func visitorKey(from *config.Secret, state string, log *slog.Logger) ([]byte, error) {
	if from != nil {
		text, err := kvs.Secret{File: from.File, Env: from.Env}.Read()
		switch {
		case err != nil:
			return nil, fmt.Errorf("network.visitorKey: %w", err)
		case len(text) < 16:
			return nil, fmt.Errorf("network.visitorKey: a key of %d bytes: expected at least 16", len(text))
		}
		return []byte(text), nil
	}
	key := randomKey()
	if state == "" {
		log.Info("visitors get new ids at each start", "expected", "network.visitorKey, or --state")
		return key, nil
	}
	name := filepath.Join(state, visitorFile)
	text, err := os.ReadFile(name)
	kept := strings.TrimSpace(string(text))
	switch {
	case err == nil && len(kept) >= 16:
		return []byte(kept), nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("key of visitors' ids: %w", err)
	}
	if err := keep(name, key); err != nil {
		log.Warn("visitors get new ids at each start", "error", err)
	}
	return key, nil
}

// randomKey is 256 bits in hexadecimal digits.
func randomKey() []byte {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // it never fails
	return hex.AppendEncode(nil, bits[:])
}

// keep writes a key that nobody else is to read, whole or not at all.
func keep(name string, key []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), visitorFile+".*") // for its owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(append(key[:len(key):len(key)], '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
