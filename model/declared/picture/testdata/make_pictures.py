"""Makes the pictures beside this script, of noise and ramps drawn here, and scaled.json: what Pillow makes of each.
Run: pip install pillow==13.0.0 numpy; python make_pictures.py
"""
import base64, json, os
import numpy as np
from PIL import Image, ImageOps

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(7)


def scene(w, h):
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([(x * 255 / w), (y * 255 / h), 127 + 127 * np.sin(x / 3.0) * np.cos(y / 5.0)], -1)
    a[h // 4 : h // 2, w // 4 : w // 2] = [230, 30, 60]
    return (a + rng.normal(0, 6, a.shape)).clip(0, 255).astype("uint8")


cases = []


def add(name, im, **save):
    im.save(name, **save)
    cases.append(name)


rgb = Image.fromarray(scene(41, 31))
add("rgb.png", rgb)
add("gray.png", rgb.convert("L"))
add("palette.png", rgb.quantize(32))
alpha = Image.fromarray(np.dstack([scene(25, 20), rng.integers(0, 256, (20, 25), dtype="uint8")]))
add("alpha.png", alpha)
add("rgb.bmp", rgb)
add("palette.gif", rgb.quantize(64))
add("lossless.webp", rgb, lossless=True)
add("lossless_alpha.webp", alpha, lossless=True, exact=True)
add("444.jpg", rgb, quality=90, subsampling=0)
add("422.jpg", rgb, quality=90, subsampling=1)
add("420.jpg", rgb, quality=90, subsampling=2)
add("progressive.jpg", rgb, quality=90, progressive=True)
add("gray.jpg", rgb.convert("L"), quality=90)
add("cmyk.jpg", rgb.convert("CMYK"), quality=95)
add("lossy.webp", rgb, quality=90)
for turn in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = turn
    add(f"turn{turn}.jpg", Image.fromarray(scene(23, 17)), quality=95, subsampling=0, exif=exif)

filters = {"bilinear": Image.BILINEAR, "nearest": Image.NEAREST, "area": Image.BOX, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
out = []
for name in cases:
    im = ImageOps.exif_transpose(Image.open(name))
    w, h = im.size
    for gray in (False, True):
        plain = im.convert("L" if gray else "RGB") if not (gray and name != "rgb.png") else None
        if plain is None:
            continue
        for filt, code in filters.items():
            if filt not in ("bilinear",) and name != "rgb.png":
                continue
            for to in [(w, h), (17, 13), (57, 44), (23, 64)] if name == "rgb.png" else [(w, h), (13, 11)]:
                a = np.asarray(plain.resize(to, code))
                out.append({"file": name, "gray": gray, "filter": filt, "width": to[0], "height": to[1], "pixels": base64.b64encode(a.tobytes()).decode()})
json.dump(out, open("scaled.json", "w"), separators=(",", ":"))
