#!/usr/bin/env bash
# The contract of the store for memory, disks, and memory over disk, each in
# three runs; memory and disk kept the same; no pin left (Close says so).
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh

# The race detector is blind to a mapping and to a file: it has runs on the heap.
contract() {
  ran "$1" "$2" "$3" go test -count=1 -v -timeout 900s -run "^($1)\$" ./internal/store
}
watched() {
  ran "$1" "$2" "$3, under the race detector," go test -race -count=1 -v -timeout 1500s -run "^($1)\$" ./internal/store
}
contract TestMapping 38 "tests of the contract on a memory, mapped"
watched TestHeap 38 "tests of the contract on a memory on the heap"
contract TestPoison 38 "tests of the contract on a memory, freed slabs overwritten"
contract TestDiskFile 37 "tests of the contract on a disk, its file written by O_DIRECT"
watched TestDiskHeap 37 "tests of the contract on a disk on the heap"
contract TestDiskPoison 37 "tests of the contract on a disk, freed slabs and buffers overwritten"
contract TestTiersFile 35 "tests of the contract on memory over a disk"
watched TestTiersHeap 35 "tests of the contract on memory over two disks on the heap"
contract TestTiersPoison 35 "tests of the contract on memory over a disk, freed slabs and buffers overwritten"
watched "TestCarry|TestCarryMarker|TestSettled|TestPromotion|TestPromotedSoft|TestOffers|TestAskedTwice|TestMarkerOfDisk|TestStalledDisk|TestScan" 10 \
  "tests of what goes from one tier to the other"
grep -h "reads of a scan" "$output" | sed 's/^ *[a-z_]*.go:[0-9]*: //'
