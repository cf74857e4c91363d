package store

// Overhead returns how many bytes a zone of these options takes at most beside
// Memory: index, directories and ghosts of the memory, and of each disk index,
// ghosts, slabs on their way to the device and buffers of what was read.
func (o *ZoneOptions) Overhead() (bytes int64) {
	var remembered, records, slab int64
	for _, d := range o.Disks {
		d.defaults()
		g, err := geometryOf(d.Size, d.MeanObject)
		if err != nil {
			continue // Open will refuse it
		}
		bytes += d.overhead(&g)
		capacity := int64(g.slabs) * int64(g.slab)
		remembered += capacity
		records += capacity / g.mean
		slab = max(slab, int64(g.slab))
	}
	if o.Memory == 0 && len(o.Disks) > 0 {
		return bytes
	}
	size, mean := o.Memory, o.MeanObject
	if size == 0 {
		size = defaultSize
	}
	if mean == 0 {
		mean = memoryMean
	}
	slab = max(slab, slabOf(size))
	l := layoutOf(size/slab, slab, mean)
	l.remember(remembered, records)
	return bytes + l.bytes()
}

func (o *DiskOptions) overhead(g *geometry) int64 {
	l := layoutOf(int64(g.slabs), int64(g.slab), g.mean)
	l.listings = 0 // directories are on the device
	return l.bytes() + int64(o.Stages)*int64(g.slab) + pageSize + o.Lend
}
