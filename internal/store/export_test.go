package store

// ForgetMemory empties the memory of a zone that has disks, as if all of it
// had been evicted: what is found next comes from disk.
func (z *Zone) ForgetMemory() {
	if z.memory != nil && z.disks != nil {
		z.memory.clear()
	}
}
