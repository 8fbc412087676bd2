package picture

import (
	"bytes"
	"encoding/binary"
	"image"
)

// turn is an EXIF orientation less 1: how a picture that lies in the file is to be shown. 0: as it lies.
type turn int

// sideways reports whether width and height are swapped.
func (t turn) sideways() bool { return t >= 4 }

// lying returns the size in the file of a picture that is shown with a size.
func (t turn) lying(w, h int) (int, int) {
	if t.sideways() {
		return h, w
	}
	return w, h
}

// source returns where the shown pixel (x, y) lies in a picture that is w × h as it lies.
// Ref: EXIF 2.32, 4.6.4 A, tag 0x0112.
func (t turn) source(x, y, w, h int) (u, v int) {
	switch t {
	case 1: // mirrored left to right
		return w - 1 - x, y
	case 2: // upside down
		return w - 1 - x, h - 1 - y
	case 3: // mirrored top to bottom
		return x, h - 1 - y
	case 4: // mirrored along the diagonal
		return y, x
	case 5: // to be turned right
		return y, h - 1 - x
	case 6: // mirrored along the other diagonal
		return w - 1 - y, h - 1 - x
	case 7: // to be turned left
		return w - 1 - y, x
	}
	return x, y
}

// window returns where a window of a shown picture of w × h lies.
func (t turn) window(r image.Rectangle, w, h int) image.Rectangle {
	lw, lh := t.lying(w, h)
	if r.Empty() {
		return image.Rectangle{}
	}
	ax, ay := t.source(r.Min.X, r.Min.Y, lw, lh)
	bx, by := t.source(r.Max.X-1, r.Max.Y-1, lw, lh)
	return image.Rect(min(ax, bx), min(ay, by), max(ax, bx)+1, max(ay, by)+1)
}

// turnOf reads the orientation of a JPEG file; 0 where it has none, or one that makes no sense.
func turnOf(jpeg []byte) turn {
	for b := jpeg; len(b) >= 4; {
		if b[0] != 0xff {
			b = b[1:]
			continue
		}
		switch marker := b[1]; {
		case marker == 0xff: // fill bytes
			b = b[1:]
			continue
		case marker == 0xd8 || marker >= 0xd0 && marker <= 0xd7 || marker == 0x01: // without a length
			b = b[2:]
			continue
		case marker == 0xda || marker == 0xd9: // the picture itself: what follows is no header
			return 0
		}
		size := int(binary.BigEndian.Uint16(b[2:]))
		if size < 2 || size+2 > len(b) {
			return 0
		}
		if b[1] == 0xe1 {
			if tiff, ok := bytes.CutPrefix(b[4:2+size], []byte("Exif\x00\x00")); ok {
				return orientation(tiff)
			}
		}
		b = b[2+size:]
	}
	return 0
}

// orientation reads tag 0x0112 of the first directory of a TIFF structure.
func orientation(tiff []byte) turn {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == 3 {
			if v := order.Uint16(entries[8:]); v >= 1 && v <= 8 {
				return turn(v - 1)
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}
