// Tells why the form came back. The server says so in the query, since it sends no other page.
const MESSAGES = {
  "?wrong": "That is not the password. Try again.",
  "?wait": "Several wrong passwords came from your address. Wait five minutes, then try again.",
};
const message = MESSAGES[location.search];
if (message) {
  document.getElementById("message").textContent = message;
  document.getElementById("message").dataset.grade = "down";
}
