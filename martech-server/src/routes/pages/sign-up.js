const form = document.getElementById('form')
const message = document.getElementById('message')

form.addEventListener('submit', async event => {
  event.preventDefault()
  const button = form.querySelector('button')
  button.disabled = true
  say('')
  // The invitation is in the fragment, which browsers do not send: it appears in no log and in no Referer header.
  const invitation = decodeURIComponent(location.hash.slice(1)) || undefined
  try {
    const answer = await fetch('/api/auth/sign-up/email', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...Object.fromEntries(new FormData(form)), invitation }),
    })
    const told = await answer.json()
    if (!answer.ok) throw new Error(told.message)
    history.replaceState(null, '', location.pathname)
    form.hidden = true
    say(`You have signed in as ${told.user.email}${told.user.role ? `, ${told.user.role}` : ''}.`)
  } catch (error) {
    say(error.message, true)
  } finally {
    button.disabled = false
  }
})

function say(text, isError = false) {
  message.textContent = text
  message.classList.toggle('error', isError)
}
