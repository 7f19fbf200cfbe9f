// Says in words what allauth's script only logs: the browser gave no passkey.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  document.getElementById("passkey-refused").hidden = false;
});
