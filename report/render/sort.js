// The heads of a sortable table become buttons; without this script the order is the one that was written.
for (const table of document.querySelectorAll("table.sortable")) {
	const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
	const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
	const compare = (a, b) => (a === "") - (b === "") || (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
	heads.forEach((head, i) => {
		if (!head.textContent) return;
		const button = document.createElement("button");
		button.type = "button";
		button.append(...head.childNodes);
		head.append(button);
		button.onclick = () => {
			const down = head.getAttribute("aria-sort") === "ascending";
			for (const h of heads) h.removeAttribute("aria-sort");
			head.setAttribute("aria-sort", down ? "descending" : "ascending");
			const rows = [...body.rows].sort((a, b) => {
				const x = value(a, i), y = value(b, i);
				return x === "" || y === "" ? compare(x, y) : down ? compare(y, x) : compare(x, y);
			});
			body.append(...rows);
		};
	});
}
