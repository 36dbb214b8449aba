import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import './app/style.css'
import { App } from './app/App.tsx'
import { loadTexts } from './texts/index.tsx'

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <App spoken={await loadTexts()} />
  </StrictMode>,
)
