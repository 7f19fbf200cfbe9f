// The session page without this works too: it only adds up the Aldrete score while it is tapped in.
for (const sum of document.querySelectorAll("[data-sum]")) {
  const form = sum.closest("section").querySelector("form");
  const show = () => {
    const names = new Set([...form.elements].map((each) => each.name).filter((name) => name.includes(sum.dataset.sum)));
    const chosen = [...names].map((name) => form.elements[name].value).filter((value) => value !== "");
    const points = chosen.reduce((total, value) => total + Number(value), 0);
    sum.textContent = chosen.length === names.size ? `${points} of ${2 * names.size}` : `${points} so far, ${names.size - chosen.length} to answer`;
  };
  form.addEventListener("change", show);
  show();
}
