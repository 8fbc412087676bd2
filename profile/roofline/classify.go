package roofline

import "infer/report"

// The classes of a node, as report.Share has them.
const (
	Compute  = "compute"  // right of the ridge: more arithmetic for a byte than the machine can do
	Memory   = "memory"   // left of it: waits for bytes
	Overhead = "overhead" // too short to be told from what a node costs at all
	Other    = "other"    // far below both roofs: neither arithmetic nor bytes say why it takes so long
)

// far is the part of both roofs below which a node is Other.
const far = 0.25

// Classify fills Class and Efficiency of a row whose FLOPs and Bytes are known. resolution is the traced time in seconds below
// which a node is all overhead (report.Correction); a row of several nodes or calls is judged by the mean one. Without a
// roof that fits the row, or without FLOPs, Bytes or time, both stay empty, but for a row of overhead.
//
// A node whose bytes are no more than those of the cache probe is held against the cache, another one against memory.
// Efficiency is what it reached over min(P, B·FLOPs/Bytes), where P is the roof of its arithmetic and B the bandwidth;
// above 1 where it beat the probes. Of a node without arithmetic it is its bytes a second over B.
func Classify(c *report.Ceilings, row *report.Share, resolution float64) {
	row.Class, row.Efficiency = "", nil
	calls := max(1, float64(row.Count), row.Calls)
	if row.Below || row.Traced/calls < resolution {
		row.Class = Overhead
		return
	}
	if c == nil || row.FLOPs == nil || row.Bytes == nil || !(row.Seconds > 0) || !(*row.Bytes > 0) {
		return
	}
	roof, bandwidth := c.Float32, c.Memory
	if report.IntegerOp(row.Op) {
		roof = c.Int8
	}
	if c.Cache != nil && *row.Bytes/calls <= c.CacheBytes {
		bandwidth = c.Cache
	}
	if roof == nil || bandwidth == nil {
		return
	}
	compute, memory := *row.FLOPs/row.Seconds/roof.Value, *row.Bytes/row.Seconds/bandwidth.Value
	// What is nearer to its roof reaches that roof first: it is the same as which side of the ridge the node is on.
	row.Class = Memory
	if compute > memory {
		row.Class = Compute
	}
	efficiency := max(compute, memory)
	if efficiency < far {
		row.Class = Other
	}
	row.Efficiency = &efficiency
}
