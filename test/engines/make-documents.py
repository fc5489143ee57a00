"""Writes harbour.docx, harbour.pdf and harbour.png to a folder: the least that such files are made of."""
import sys
import zipfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

folder = Path(sys.argv[1])
TITLE, TEXT = "The harbour", "Ships came in 1911."

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
with zipfile.ZipFile(folder / "harbour.docx", "w") as docx:
    docx.writestr(
        "[Content_Types].xml",
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    )
    docx.writestr(
        "_rels/.rels",
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="a" Target="word/document.xml" Type='
        '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>',
    )
    docx.writestr(
        "word/document.xml",
        f"<w:document {W}><w:body>"
        f'<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>{TITLE}</w:t></w:r></w:p>'
        f"<w:p><w:r><w:t>{TEXT}</w:t></w:r></w:p></w:body></w:document>",
    )

content = f"BT /F1 24 Tf 72 720 Td ({TITLE}) Tj 0 -40 Td ({TEXT}) Tj ET".encode()
objects = [
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
    b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
    b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
]
pdf, places = b"%PDF-1.4\n", []
for number, body in enumerate(objects, 1):
    places.append(len(pdf))
    pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
start = len(pdf)
pdf += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
pdf += b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start
(folder / "harbour.pdf").write_bytes(pdf)

image = Image.new("RGB", (900, 250), "white")
draw = ImageDraw.Draw(image)
font = ImageFont.load_default(size=64)
draw.text((40, 30), TITLE, "black", font)
draw.text((40, 130), TEXT, "black", font)
image.save(folder / "harbour.png")
