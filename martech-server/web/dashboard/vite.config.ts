import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import { compress } from './build/compress.ts'

const server = process.env.MARTECH_URL ?? 'http://127.0.0.1:3000'

export default defineConfig({
  base: '/dashboard/',
  plugins: [react(), tailwind(), compress()],
  publicDir: false,
  build: {
    target: 'baseline-widely-available',
    assetsDir: '',
    // The server allows no `data:` addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // The names do not change with the content, so that the files of two changes do not differ in name.
        entryFileNames: '[name].js',
        chunkFileNames: '[name].js',
        assetFileNames: '[name][extname]',
        codeSplitting: {
          // What most pages need comes in few files. Each page, the charts and the forms are files of their own.
          groups: [
            { name: 'react', test: /node_modules\/(react|react-dom|scheduler|react-router|cookie|set-cookie-parser|@tanstack|openapi-fetch)\// },
            { name: 'shared', test: /src\/(api|lib|texts\/(index|en))\/?|src\/(session|components)\/(?!chart\/(?!points)|Modal|Confirm|form)/ },
            { name: 'queries', test: /src\/pages\/.*queries\.ts/ },
            { name: 'dialog', test: /node_modules\/(@base-ui\/(?!.*(autocomplete|combobox))|@floating-ui)|components\/Modal/ },
            { name: 'forms', test: /node_modules\/zod\/|src\/session\/form\.ts/ },
          ],
        },
      },
    },
  },
  server: {
    // The server accepts changes from its own pages only, so the proxy names the server as the origin.
    proxy: Object.fromEntries(
      ['/api', '/admin', '/events', '/health', '/stats', '/users'].map((path) => [
        path,
        { target: server, changeOrigin: true, headers: { origin: server } },
      ]),
    ),
  },
  test: { include: ['src/**/*.test.{ts,tsx}'], clearMocks: true },
})
