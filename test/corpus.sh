#!/usr/bin/env bash
# Copies some of what fuzzing has found interesting (test/fuzz.sh leaves it in
# the go command's cache) into testdata/fuzz of the packages, to be committed:
# of SAMPLE (150) inputs the smallest first, those that reach statements which
# neither the seeds in the code nor the committed inputs reach; at most MOST (6)
# a target.
# Run it after a long `make fuzz`.
set -euo pipefail
cd "$(dirname "$0")/.."

most=${MOST:-6}
sample=${SAMPLE:-150} # how many are tried
largest=4096 # bytes of an input
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$(go env GOCACHE)/fuzz/$(go list -m)

# reach PATTERN prints the blocks that the subtests of a target reach.
reach() {
  (cd "$work/dir" && timeout 60 "$work/test" -test.run "$1" -test.coverprofile "$work/profile") >/dev/null
  awk 'NR > 1 && $NF > 0 { print $1 }' "$work/profile"
}

while read -r dir; do
  dir=${dir#./}
  go test -c -cover -coverpkg "./internal/...,./$dir" -o "$work/test" "./$dir"
  for target in $(cd "$dir" && "$work/test" -test.list '^Fuzz' | grep '^Fuzz'); do
    committed=$dir/testdata/fuzz/$target
    rm -rf "$work/dir"
    mkdir -p "$work/dir/testdata/fuzz/$target"
    [[ ! -d $committed ]] || cp "$committed"/* "$work/dir/testdata/fuzz/$target/"
    reach "^$target\$" | sort -u >"$work/known"
    count=$(find "$work/dir/testdata/fuzz/$target" -type f | wc -l)
    added=0
    while read -r size input; do
      ((size <= largest && count + added < most)) || break
      name=$(basename "$input")
      cp "$input" "$work/dir/testdata/fuzz/$target/"
      # One that fails is of the target as it was before its arguments changed.
      reached=$(reach "^$target\$/^$name\$" || true)
      sort -u <<<"$reached" | comm -13 "$work/known" - >"$work/new"
      if [[ -n $reached && -s $work/new ]]; then
        mkdir -p "$committed"
        cp "$input" "$committed/"
        added=$((added + 1))
        sort -u -o "$work/known" "$work/known" "$work/new"
      fi
      rm "$work/dir/testdata/fuzz/$target/$name"
    done < <(find "$cache/$dir/$target" -type f -printf '%s %p\n' 2>/dev/null | shuf -n "$sample" | sort -n)
    echo "corpus $dir $target: $count there, $added added"
  done
done < <(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
